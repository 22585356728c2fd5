//! Parse, run, exit code. Everything else is in [`jindo::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Messages are freed on other threads than those that made them, which the C library's allocator is slow at: the fold
/// takes 10 to 15 % less time with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jindo::cli::main(std::env::args_os())
}
