//! The rules file: schema, compiled rules, matching, paths, reload.
