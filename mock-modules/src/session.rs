//! Starting a program as if nobody had started anything before.
use std::process::Command;

/// Makes the program start in a new session and process group of its own, with every signal at its default action and no
/// descriptor beyond the standard three.
///
/// The harness can then signal all of it, no terminal reaches it, and what the harness itself inherited from its shell or
/// from a build tool does not show up in a judgement.
pub fn own_session(command: &mut Command) -> &mut Command {
    crate::raw::own_session(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_starts_clean() {
        let script = "ls /proc/self/fd | sort -n | tail -1; cut -d' ' -f1,5,6 /proc/$$/stat; grep SigIgn /proc/$$/status";
        let output = own_session(Command::new("sh").args(["-c", script]))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        // The listing itself is the fourth descriptor.
        assert_eq!(lines[0], "3");
        let ids: Vec<&str> = lines[1].split(' ').collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "{text}");
        // Signals 32 and 33 belong to the C library, which lets no program set them.
        let ignored = u64::from_str_radix(lines[2].rsplit('\t').next().unwrap(), 16).unwrap();
        assert_eq!(ignored & !(0b11 << 31), 0, "{text}");
    }
}
