//! Small shell programs that behave as badly as a target can.
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use partenza_probe::{proc, signals::SignalName};
use tokio::{net::UnixListener, time::Instant};

use super::{CaseDirs, Ending, Subject, SubjectError, run_command};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(150);

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn start(script: &str, dirs: &CaseDirs) -> Subject {
    Subject::start(&sh(script), &[], dirs.root()).unwrap()
}

/// Waits for what a program prints; the output is the event, the deadline only a guard.
async fn prints(subject: &Subject, text: &str) {
    let until = Instant::now() + LONG;
    while !subject.output().contains(text) {
        assert!(
            Instant::now() < until,
            "never printed {text}: {}",
            subject.output()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_target_that_dies_at_once_is_shown_with_its_last_words() {
    let dirs = CaseDirs::create().unwrap();
    let mut subject = start("echo first; printf 'boom\\033[2J\\n' >&2; kill -SEGV $$", &dirs);
    let error = subject
        .connect(&dirs.runtime().join("control.sock"), LONG)
        .await
        .unwrap_err();
    let SubjectError::Died { ending, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*ending, Ending::Killed("SIGSEGV".to_owned()));
    let text = error.to_string();
    assert!(
        text.contains("(SIGSEGV) before it could answer on") && text.contains("| first"),
        "{text}"
    );
    assert!(text.contains("boom\\u{1b}[2J"), "{text}");
    let report = subject.end(LONG).await;
    assert!(
        !report.was_running && !report.had_to_kill && report.leftovers.is_empty(),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_target_that_ends_on_term_is_not_killed() {
    let dirs = CaseDirs::create().unwrap();
    let mut subject = start("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done", &dirs);
    prints(&subject, "up").await;
    let own = proc::process(subject.pid()).unwrap();
    assert_eq!((own.sid, own.pgid), (subject.pid(), subject.pid()));
    let exited = subject.exited();
    subject.signal(SignalName::TERM).unwrap();
    assert_eq!(exited.await, Ending::Exited(7));
    let report = subject.end(LONG).await;
    assert_eq!((report.ending, report.undead.len()), (Some(Ending::Exited(7)), 0));
    assert!(subject.signal(SignalName::TERM).is_ok());
}

#[tokio::test]
async fn a_target_that_ignores_term_is_killed_after_its_grace_with_everything_below_it() {
    let dirs = CaseDirs::create().unwrap();
    let mut subject = start(
        "trap '' TERM; (trap '' TERM; echo child; sleep 100) & echo up; sleep 100; sleep 100",
        &dirs,
    );
    prints(&subject, "up").await;
    prints(&subject, "child").await;
    let pids: Vec<i32> = subject.processes().iter().map(|process| process.pid).collect();
    assert!(!pids.is_empty());
    let began = Instant::now();
    let report = subject.end(SHORT).await;
    assert!(began.elapsed() < LONG);
    assert!(
        report.had_to_kill && report.leftovers.is_empty() && !report.orphans.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.ending, Some(Ending::Killed("SIGKILL".to_owned())));
    assert_eq!(report.undead, []);
    assert!(pids.into_iter().all(|pid| proc::process(pid).is_none()));
}

#[tokio::test]
async fn a_daemonised_child_is_found_named_killed_and_reaped() {
    let dirs = CaseDirs::create().unwrap();
    // The daemon is in a session of its own, its parent is gone, and it ignores what can be ignored.
    let script = "setsid sh -c 'trap \"\" TERM HUP; (echo daemon $$; exec sleep 1234) & wait' & \
                  while [ ! -e \"$0.go\" ]; do sleep 0.01; done; exit 0";
    let command: Vec<String> = ["sh", "-c", script, &dirs.root().join("flag").to_string_lossy()]
        .map(str::to_owned)
        .to_vec();
    let mut subject = Subject::start(&command, &[], dirs.root()).unwrap();
    prints(&subject, "daemon").await;
    fs::write(dirs.root().join("flag.go"), "").unwrap();
    assert_eq!(subject.exited().await, Ending::Exited(0));
    let report = subject.end(LONG).await;
    assert!(
        report
            .leftovers
            .iter()
            .any(|left| left.command.contains("sleep 1234")),
        "{report:?}"
    );
    assert!(
        report.leftovers.iter().all(|left| left.session != subject.pid()),
        "{report:?}"
    );
    assert_eq!(
        (&report.ending, report.undead.len()),
        (&Some(Ending::Exited(0)), 0)
    );
    assert!(
        report
            .leftovers
            .iter()
            .all(|left| proc::process(left.pid).is_none()),
        "{report:?}"
    );
    let again = subject.end(LONG).await;
    assert!(again.leftovers.is_empty() && !again.was_running);
}

#[tokio::test]
async fn cases_do_not_touch_each_other() {
    let (one, other) = (CaseDirs::create().unwrap(), CaseDirs::create().unwrap());
    let mut first = start("sleep 100 & echo up; exit 0", &one);
    let mut second = start("echo up; sleep 100 & wait", &other);
    prints(&second, "up").await;
    first.exited().await;
    let report = first.end(LONG).await;
    assert_eq!(report.leftovers.len(), 1, "{report:?}");
    assert!(second.ending().is_none() && second.processes().len() == 1);
    assert_eq!(
        second.end(LONG).await.ending,
        Some(Ending::Killed("SIGTERM".to_owned()))
    );
}

#[tokio::test]
async fn a_dropped_subject_takes_its_children_along() {
    let dirs = CaseDirs::create().unwrap();
    let subject = start("setsid sleep 100 & echo up; sleep 100", &dirs);
    prints(&subject, "up").await;
    let pids: Vec<i32> = subject.processes().iter().map(|process| process.pid).collect();
    drop(subject);
    let until = Instant::now() + LONG;
    while pids
        .iter()
        .any(|&pid| proc::process(pid).is_some_and(|process| process.is_alive()))
    {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn who_answers_has_to_be_who_was_started() {
    let dirs = CaseDirs::create().unwrap();
    let path = dirs.runtime().join("control.sock");
    let _impostor = UnixListener::bind(&path).unwrap();
    let mut subject = start("sleep 100", &dirs);
    let error = subject.connect(&path, LONG).await.unwrap_err();
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(
        matches!(error, SubjectError::Impostor { found, .. } if found == own),
        "{error}"
    );
    let silent = subject
        .connect(&dirs.runtime().join("nobody.sock"), SHORT)
        .await
        .unwrap_err();
    assert!(silent.to_string().contains("it printed nothing"), "{silent}");
    assert!(matches!(silent, SubjectError::NeverAnswered { .. }));
    let long = dirs.runtime().join("x".repeat(200));
    assert!(matches!(
        subject.connect(&long, LONG).await,
        Err(SubjectError::System { .. })
    ));
    subject.end(LONG).await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let dirs = CaseDirs::create().unwrap();
    let refusal = |program: &str| {
        Subject::start(&[program.to_owned()], &[], dirs.root())
            .unwrap_err()
            .to_string()
    };
    assert!(refusal("no-such-program-here").contains("was not found in PATH"));
    assert!(refusal("/no/such/program").contains("the program /no/such/program was not found"));
    assert!(refusal("/tmp").contains("it is a directory"));
    let file = dirs.root().join("script");
    let name = file.to_string_lossy().into_owned();
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    if !nix::unistd::geteuid().is_root() {
        assert!(refusal(&name).contains("chmod +x"));
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refusal(&name).contains("interpreter"), "{}", refusal(&name));
    assert!(matches!(
        Subject::start(&[], &[], dirs.root()),
        Err(SubjectError::NotFound { .. })
    ));
}

#[tokio::test]
async fn the_environment_is_the_harness_s_with_additions_and_a_mark() {
    let dirs = CaseDirs::create().unwrap();
    let environment = [("COLOUR".to_owned(), "green".to_owned())];
    let script =
        "echo $COLOUR; echo $PARTENZA_CONFORMANCE_CASE; [ -n \"$PATH\" ] && read x || echo end of input";
    let report = run_command(&sh(script), &environment, dirs.root(), LONG)
        .await
        .unwrap();
    assert_eq!(
        report.stdout,
        format!("green\n{}\nend of input\n", dirs.root().display())
    );
}

#[tokio::test]
async fn a_command_is_run_to_its_end_or_to_its_deadline() {
    let dirs = CaseDirs::create().unwrap();
    let report = run_command(&sh("echo out; echo err >&2; exit 2"), &[], dirs.root(), LONG)
        .await
        .unwrap();
    assert_eq!(
        (report.ending, report.stdout.as_str(), report.stderr.as_str()),
        (Some(Ending::Exited(2)), "out\n", "err\n")
    );
    let mut beside = start("echo up; sleep 100", &dirs);
    prints(&beside, "up").await;
    let report = run_command(&sh("echo begun; sleep 100"), &[], dirs.root(), SHORT)
        .await
        .unwrap();
    assert_eq!((report.ending, report.stdout.as_str()), (None, "begun\n"));
    // A command in the same case leaves the target alone.
    assert!(beside.ending().is_none());
    beside.end(LONG).await;
}
