//! The hidden verb `generate`: completions and man pages from the definition of the command line.
//!
//! Owns where they go; what they say comes from `args`.

use clap::CommandFactory as _;

use super::args::{Arguments, GenerateArguments, Generated};
use super::exit;
use super::output::{self, Failure};

pub(crate) fn act(arguments: &GenerateArguments) -> Result<u8, Failure> {
    let mut command = Arguments::command();
    match arguments.what {
        Generated::Completions => {
            let mut text = Vec::new();
            clap_complete::generate(arguments.shell, &mut command, "partenza-conformance", &mut text);
            output::print(&String::from_utf8_lossy(&text))?;
        }
        Generated::Man => {
            let failed =
                |error| Failure::harness(&format!("write man pages to {}", arguments.out.display()), error);
            std::fs::create_dir_all(&arguments.out).map_err(failed)?;
            clap_mangen::generate_to(command, &arguments.out).map_err(failed)?;
        }
    }
    Ok(exit::CONFORMANT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
