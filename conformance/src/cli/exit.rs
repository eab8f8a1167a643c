//! The exit codes of `partenza-conformance`. They are part of its interface, and tested.
//!
//! Owns the numbers and their meaning; who returns which is decided where it happens.

use partenza_reports::verdict;

/// The target is conformant; or the verb did what it was asked to do.
pub const CONFORMANT: u8 = verdict::EXIT_CONFORMANT;
/// The target is not conformant; or the verb found what it was looking for.
pub const NON_CONFORMANT: u8 = verdict::EXIT_NON_CONFORMANT;
/// The command line or an input file is not right.
pub const USAGE: u8 = 2;
/// Nothing was violated, and not everything could be shown; or nothing was selected.
pub const INCOMPLETE: u8 = verdict::EXIT_INCOMPLETE;
/// The baseline is not right: an unknown check, a stale entry, or an expired one.
pub const BASELINE: u8 = 4;
/// The target cannot be run.
pub const TARGET: u8 = 5;
/// The harness itself failed.
pub const HARNESS: u8 = 70;

/// What `--help` says about them.
pub const HELP: &str = "Exit status:\n  0  conformant\n  1  non-conformant\n  2  usage: the command line or an input file is not right\n  3  incomplete, or nothing was selected\n  4  the baseline names an unknown check, is stale, or has expired\n  5  the target cannot be run\n  70 the harness itself failed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_promised_ones() {
        let all = [
            CONFORMANT,
            NON_CONFORMANT,
            USAGE,
            INCOMPLETE,
            BASELINE,
            TARGET,
            HARNESS,
        ];
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 70]);
        for code in all {
            assert!(HELP.contains(&format!("\n  {code} ")), "{code} is not documented");
        }
    }
}
