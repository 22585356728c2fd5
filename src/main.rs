//! Parse, run, exit code. Everything else is in [`jindo::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    jindo::cli::main(std::env::args_os())
}
