//! Documents in Git: reading, indexing, editing bytes, placing and writing new ones.
