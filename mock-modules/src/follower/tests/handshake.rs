//! The launch and the five lines.
use partenza_probe::signals::SignalName;
use serde_json::json;

use super::*;

#[test]
fn how_the_lines_arrive_and_when_the_key_does_is_no_matter() {
    let mut play = Play::of("{}");
    play.launched();
    for byte in l1().chars() {
        play.hears(&byte.to_string());
    }
    play.orders.retain(|order| matches!(order, Order::Tx { .. }));
    let l2 = play.said();
    play.hears(&format!("{}{LIVE}{}", l3(&l2), request(3, "health.check")));
    assert_eq!(play.orders(), []);
    play.event(&PuppetEvent::Key {
        hex: mac::hex(format!("{}\n", mac::hex(&KEY)).as_bytes()),
        eof: false,
    });
    let expected = format!(
        "{}{READY}{}",
        with_mac(&right_proof(&l2)),
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"state\":\"ready\"}}\n"
    );
    assert_eq!(play.said(), expected);
}

#[test]
fn a_wrong_orchestrator_is_left_with_76() {
    let wrong = l3(&honest_l2()).replace("\"mac\":\"", "\"mac\":\"0");
    for line in [
        wrong,
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"prove\",\"params\":{}}\n".to_owned(),
    ] {
        let mut play = Play::of("{}");
        play.hello();
        play.said();
        play.hears(&line);
        assert_eq!(play.orders(), [Order::Exit { code: 76 }]);
        assert!(
            play.notes
                .iter()
                .any(|note| matches!(note, Note::OrchestratorProofWrong { .. }))
        );
        play.hears(LIVE);
        assert_eq!(play.orders(), [], "it is silent afterwards");
    }
    for first in [
        request(1, "prove"),
        "{\"jsonrpc\":\"2.0\",\"method\":\"hello\"}\n".to_owned(),
    ] {
        let mut play = Play::of("{}");
        play.launched();
        play.orders();
        play.hears(&first);
        assert_eq!(play.orders(), [Order::Exit { code: 76 }]);
        assert!(
            play.notes
                .iter()
                .any(|note| matches!(note, Note::ProtocolSurprise { .. }))
        );
    }
    let mut play = Play::of("{}");
    play.running();
    play.said();
    play.hears("not json\n");
    play.hears("{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n");
    assert_eq!(play.orders(), []);
    assert_eq!(
        play.notes
            .iter()
            .filter(|note| matches!(note, Note::ProtocolSurprise { .. }))
            .count(),
        2
    );
}

#[test]
fn a_key_that_is_none_is_noted_and_cannot_prove_anything() {
    for key in ["", "abc\n", &"AB".repeat(32), &format!("{}\n", "AB".repeat(32))] {
        let mut play = Play::of("{}");
        play.launched();
        play.orders();
        play.event(&PuppetEvent::Key {
            hex: mac::hex(key.as_bytes()),
            eof: true,
        });
        assert!(
            play.notes
                .iter()
                .any(|note| matches!(note, Note::ProtocolSurprise { .. })),
            "{key}"
        );
        play.hears(&l1());
        let l2 = play.said();
        play.hears(&l3(&l2));
        assert_eq!(play.orders(), [Order::Exit { code: 76 }]);
    }
}

#[test]
fn launch() {
    let term = "TERM".parse().unwrap();
    for (except, expected) in [
        ("launch: hang", vec![Order::Hang]),
        ("launch: close", vec![Order::Close]),
        ("launch: {exit: 3}", vec![Order::Exit { code: 3 }]),
        (
            "launch: {signal: KILL}",
            vec![Order::Raise {
                signal: SignalName::KILL,
            }],
        ),
        (
            "launch: {ignore: [TERM]}",
            vec![
                Order::Ignore { signals: vec![term] },
                Order::ReadKey,
                Order::StartReading,
            ],
        ),
        (
            "signals: {ignore: [TERM]}",
            vec![
                Order::Ignore { signals: vec![term] },
                Order::ReadKey,
                Order::StartReading,
            ],
        ),
        (
            "signals: {default: [TERM]}",
            vec![
                Order::Restore { signals: vec![term] },
                Order::ReadKey,
                Order::StartReading,
            ],
        ),
        (
            "launch: {exit: 3, generations: [2]}",
            vec![Order::ReadKey, Order::StartReading],
        ),
    ] {
        let mut play = Play::of(except);
        play.launched();
        assert_eq!(play.orders(), expected, "{except}");
    }
    let mut play = Play::of("launch: {fork: {count: 2, session: new, ignore: [TERM]}, early: ready}");
    play.launched();
    let orders = play.orders();
    assert!(matches!(&orders[0], Order::Fork(spec) if spec.count == 2 && spec.ignore == [term]));
    assert_eq!(
        orders[1],
        Order::Tx {
            hex: mac::hex(READY.as_bytes()),
            bytewise: false
        }
    );
    assert_eq!(orders[2..], [Order::ReadKey, Order::StartReading]);
    let mut play = Play::of("launch: {delay: 200ms}");
    play.launched();
    assert_eq!(play.orders(), []);
    assert_eq!(play.wait(), Duration::from_millis(200));
    assert_eq!(play.orders(), [Order::ReadKey, Order::StartReading]);
}

#[test]
fn hello() {
    let honest = honest_l2();
    for (except, expected) in [
        ("hello: garbage", "this is not JSON\n".to_owned()),
        ("hello: twice", format!("{honest}{honest}")),
        ("hello: bytewise", honest.clone()),
        ("hello: silence", String::new()),
        ("hello: {error: -32001}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"refused by the script\"}}\n".to_owned()),
        ("hello: {raw: \"a\\nb\"}", "a\nb".to_owned()),
        ("hello: {result: {version: \"9.9\", nonce: null, features: null, provides: null, extensions: null}}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"version\":\"9.9\"}}\n".to_owned()),
        ("hello: {nonce: reused}", honest.replace(&honest[honest.len() - 68..honest.len() - 4], NONCE)),
        ("ready: early", format!("{honest}{READY}")),
    ] {
        let mut play = Play::of(except);
        play.hello();
        assert_eq!(play.said(), expected, "{except}");
    }
    for (except, expected) in [
        ("hello: close", Order::Close),
        ("hello: hang", Order::Hang),
        ("hello: {exit: 3}", Order::Exit { code: 3 }),
        (
            "hello: {signal: KILL}",
            Order::Raise {
                signal: SignalName::KILL,
            },
        ),
        (
            "hello: bytewise",
            Order::Tx {
                hex: mac::hex(honest.as_bytes()),
                bytewise: true,
            },
        ),
    ] {
        let mut play = Play::of(except);
        play.hello();
        assert_eq!(play.orders(), [expected], "{except}");
    }
    let mut play = Play::of("hello: oversize");
    play.hello();
    let line = play.said();
    assert_eq!(line.len(), 4097);
    assert_eq!(
        serde_json::from_str::<Value>(&line).unwrap()["result"]["version"],
        json!("1.0")
    );
    let mut play = Play::of("hello: {delay: 1s}");
    play.hello();
    assert_eq!(
        (play.said(), play.wait(), play.said()),
        (String::new(), Duration::from_secs(1), honest)
    );
}

#[test]
fn a_changed_answer_is_what_the_proofs_are_over() {
    let mut play = Play::of("hello: {result: {extra: 1}}");
    let l2 = play.prove();
    assert_eq!(play.said(), with_mac(&right_proof(&l2)));
    let mut play = Play::of("hello: twice");
    play.hello();
    let l2 = honest_l2();
    assert_eq!(play.said(), format!("{l2}{l2}"));
    play.hears(&l3(&l2));
    assert_eq!(play.said(), with_mac(&right_proof(&l2)));
}

#[test]
fn prove() {
    let l2 = honest_l2();
    let right = right_proof(&l2);
    let honest = with_mac(&right);
    let over = |key: [u8; 32]| {
        mac::hex(&mac::module_proof(
            &key,
            l1().as_bytes(),
            l2.as_bytes(),
            l3(&l2).as_bytes(),
        ))
    };
    let derived = |purpose: &[u8]| mac::hmac_sha256(&[1; 32], &[purpose]);
    let another = l1().replace("\"nonce\":\"", "\"nonce\":\"0");
    let elsewhere = mac::hex(&mac::module_proof(
        &KEY,
        another.as_bytes(),
        l2.as_bytes(),
        l3(&l2).as_bytes(),
    ));
    let orchestrator = mac::hex(&mac::orchestrator_proof(&KEY, l1().as_bytes(), l2.as_bytes()));
    for (except, expected) in [
        ("{mac: random}", with_mac(&mac::hex(&derived(b"random proof")))),
        ("{mac: reused}", with_mac(&elsewhere)),
        ("{mac: truncated}", with_mac(&right[..32])),
        ("{mac: reflected}", with_mac(&orchestrator)),
        ("{mac: uppercase}", with_mac(&right.to_uppercase())),
        ("{mac: empty}", with_mac("")),
        (
            "{mac: missing}",
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n".to_owned(),
        ),
        ("{mac: other-key}", with_mac(&over(derived(b"another key")))),
        ("silence", String::new()),
        ("garbage", "this is not JSON\n".to_owned()),
        ("twice", format!("{honest}{honest}")),
        ("bytewise", honest.clone()),
        ("{raw: \"\\n\"}", "\n".to_owned()),
        (
            "{error: -32603}",
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32603,\"message\":\"internal error\"}}\n"
                .to_owned(),
        ),
    ] {
        let mut play = Play::of(&format!("prove: {except}"));
        play.prove();
        let said = play.said();
        assert_eq!(said, expected, "{except}");
        let lies = except.contains("mac");
        assert_eq!(said == honest, !lies && except == "bytewise", "{except}");
    }
    for (except, expected) in [
        ("close", Order::Close),
        ("hang", Order::Hang),
        ("{exit: 3}", Order::Exit { code: 3 }),
        (
            "{signal: KILL}",
            Order::Raise {
                signal: SignalName::KILL,
            },
        ),
        (
            "bytewise",
            Order::Tx {
                hex: mac::hex(honest.as_bytes()),
                bytewise: true,
            },
        ),
    ] {
        let mut play = Play::of(&format!("prove: {except}"));
        play.prove();
        assert_eq!(play.orders(), [expected], "{except}");
    }
    let mut play = Play::of("prove: oversize");
    play.prove();
    let line = play.said();
    assert_eq!((line.len(), line.contains(&right)), (4097, true));
    let mut play = Play::of("prove: {delay: 50ms}");
    play.prove();
    assert_eq!(
        (play.said(), play.wait(), play.said()),
        (String::new(), Duration::from_millis(50), honest)
    );
}

#[test]
fn what_an_earlier_launch_left_can_be_used_again() {
    let mut first = Play::of("{}");
    let l2 = first.prove();
    let memory = first.follower.memory();
    let mut second = Play::later("prove: {mac: reused}", 2, Some(memory.clone()));
    second.prove();
    assert_eq!(second.said(), with_mac(&right_proof(&l2)));
    let mut third = Play::later("hello: {nonce: reused}", 3, Some(memory));
    third.hello();
    assert_eq!(third.said(), honest_l2());
    let mut fourth = Play::later("{}", 4, None);
    fourth.hello();
    assert_ne!(fourth.said(), honest_l2(), "another launch has another nonce");
}
