//! Owns the choice of the allocator, for this program and the C libraries in it.

#![allow(unsafe_code)]

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Two arenas instead of four for each core, and what was freed goes back to the system after a fifth of a second: a process
/// that has read everything once needs little from then on.
// SAFETY: the allocator reads this name as a pointer to a text that ends with a zero byte, which it is; nothing writes it.
#[unsafe(export_name = "malloc_conf")]
pub static CONFIGURATION: &[u8; 46] = b"narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0\0";
