//! The `kubeferry` binary: arguments -> configuration -> run -> exit code.

fn main() {}
