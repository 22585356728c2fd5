//! `jindo completions`: shell completions on standard output. Writes no file.

use clap_complete::Shell;

use super::exit::Exit;
use super::{Context, out};

/// Shell completions on standard output
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo completions bash > ~/.local/share/bash-completion/completions/jindo
  jindo completions zsh > ~/.zfunc/_jindo
  jindo completions fish > ~/.config/fish/completions/jindo.fish")]
pub struct Args {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Standard output is closed.
pub fn run(args: Args, _context: &Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "jindo", &mut script);
    out::text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
