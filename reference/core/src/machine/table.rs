//! The table itself: which states a pair of state and trigger may lead to.
//!
//! It owns nothing but the table. Where it names several states, the caller decides among them; an empty list means that
//! the pair changes nothing.

use super::state::State::{
    self, Crashed, Degraded, Disabled, Failed, Ghost, Initializing, Invalid, Pending, Ready, Restarting,
    Stopped, Stopping, Unhealthy,
};
use super::state::Trigger::{
    self, AuthFailure, BackoffElapsed, BecameReady, DependencyBack, DependencyLost, ExecFailed, ExitedClean,
    ExitedFailure, GroupEmpty, HandshakeTimeout, Launch, ProbeFailed, ProbeRecovered, ProtocolFailure,
    RestartRequested, SelfDegraded, SelfReady, StartRequested, StartTimeout, StopRequested,
};

/// Where `trigger` may lead from `state`; empty when it changes nothing.
pub fn successors(state: State, trigger: Trigger) -> &'static [State] {
    match state {
        Pending => match trigger {
            Launch => &[Initializing],
            ExecFailed => &[Failed],
            StopRequested => &[Stopped],
            BecameReady | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered | DependencyLost
            | DependencyBack | ExitedClean | ExitedFailure | AuthFailure | ProtocolFailure
            | HandshakeTimeout | StartTimeout | RestartRequested | StartRequested | GroupEmpty
            | BackoffElapsed => &[],
        },
        Initializing => match trigger {
            ExecFailed => &[Failed],
            BecameReady => &[Ready, Degraded],
            DependencyLost | ExitedClean | AuthFailure | ProtocolFailure | HandshakeTimeout
            | StartTimeout | StopRequested | RestartRequested => &[Stopping],
            ExitedFailure => &[Crashed],
            Launch | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered | DependencyBack
            | StartRequested | GroupEmpty | BackoffElapsed => &[],
        },
        Ready => match trigger {
            SelfDegraded => &[Degraded],
            ProbeFailed => &[Unhealthy],
            DependencyLost => &[Degraded, Stopping],
            ExitedClean | ProtocolFailure | StopRequested | RestartRequested => &[Stopping],
            ExitedFailure => &[Crashed],
            Launch | ExecFailed | BecameReady | SelfReady | ProbeRecovered | DependencyBack | AuthFailure
            | HandshakeTimeout | StartTimeout | StartRequested | GroupEmpty | BackoffElapsed => &[],
        },
        Degraded => match trigger {
            SelfReady | DependencyBack => &[Ready],
            ProbeFailed => &[Unhealthy],
            DependencyLost | ExitedClean | ProtocolFailure | StopRequested | RestartRequested => &[Stopping],
            ExitedFailure => &[Crashed],
            Launch | ExecFailed | BecameReady | SelfDegraded | ProbeRecovered | AuthFailure
            | HandshakeTimeout | StartTimeout | StartRequested | GroupEmpty | BackoffElapsed => &[],
        },
        Unhealthy => match trigger {
            ProbeFailed | DependencyLost | ExitedClean | ProtocolFailure | StopRequested
            | RestartRequested => &[Stopping],
            ProbeRecovered => &[Ready, Degraded],
            ExitedFailure => &[Crashed],
            Launch | ExecFailed | BecameReady | SelfDegraded | SelfReady | DependencyBack | AuthFailure
            | HandshakeTimeout | StartTimeout | StartRequested | GroupEmpty | BackoffElapsed => &[],
        },
        Crashed => match trigger {
            StopRequested | RestartRequested => &[Stopping],
            GroupEmpty => &[Restarting, Failed, Pending],
            Launch | ExecFailed | BecameReady | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered
            | DependencyLost | DependencyBack | ExitedClean | ExitedFailure | AuthFailure
            | ProtocolFailure | HandshakeTimeout | StartTimeout | StartRequested | BackoffElapsed => &[],
        },
        Restarting => match trigger {
            StopRequested => &[Stopped],
            RestartRequested | StartRequested | BackoffElapsed => &[Pending],
            Launch | ExecFailed | BecameReady | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered
            | DependencyLost | DependencyBack | ExitedClean | ExitedFailure | AuthFailure
            | ProtocolFailure | HandshakeTimeout | StartTimeout | GroupEmpty => &[],
        },
        Stopping => match trigger {
            GroupEmpty => &[Stopped, Restarting, Failed, Pending],
            Launch | ExecFailed | BecameReady | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered
            | DependencyLost | DependencyBack | ExitedClean | ExitedFailure | AuthFailure
            | ProtocolFailure | HandshakeTimeout | StartTimeout | StopRequested | RestartRequested
            | StartRequested | BackoffElapsed => &[],
        },
        Stopped => match trigger {
            RestartRequested | StartRequested => &[Pending],
            Launch | ExecFailed | BecameReady | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered
            | DependencyLost | DependencyBack | ExitedClean | ExitedFailure | AuthFailure
            | ProtocolFailure | HandshakeTimeout | StartTimeout | StopRequested | GroupEmpty
            | BackoffElapsed => &[],
        },
        Failed => match trigger {
            RestartRequested | StartRequested => &[Pending],
            Launch | ExecFailed | BecameReady | SelfDegraded | SelfReady | ProbeFailed | ProbeRecovered
            | DependencyLost | DependencyBack | ExitedClean | ExitedFailure | AuthFailure
            | ProtocolFailure | HandshakeTimeout | StartTimeout | StopRequested | GroupEmpty
            | BackoffElapsed => &[],
        },
        Disabled | Ghost | Invalid => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_cell_is_as_the_specification_says() {
        let spec: serde_yaml::Value =
            serde_yaml::from_str(include_str!("../../../../spec/states.yaml")).unwrap();
        let words = |list: &serde_yaml::Value| -> Vec<String> {
            list.as_sequence()
                .unwrap()
                .iter()
                .map(|entry| entry.as_str().unwrap().to_owned())
                .collect()
        };
        let names = |list: &str| -> Vec<String> {
            let entries = spec[list].as_sequence().unwrap().iter();
            entries
                .map(|entry| entry["name"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("states"), State::ALL.map(State::name));
        assert_eq!(names("events"), Trigger::ALL.map(Trigger::name));
        let mut table = BTreeMap::new();
        for row in spec["transitions"].as_sequence().unwrap() {
            let key = (
                row["from"].as_str().unwrap().to_owned(),
                row["on"].as_str().unwrap().to_owned(),
            );
            assert!(table.insert(key, words(&row["to"])).is_none());
        }
        for state in State::ALL {
            for trigger in Trigger::ALL {
                let mut wanted = table
                    .remove(&(state.name().to_owned(), trigger.name().to_owned()))
                    .unwrap_or_default();
                let mut have: Vec<_> = successors(state, trigger)
                    .iter()
                    .map(|to| to.name().to_owned())
                    .collect();
                wanted.sort();
                have.sort();
                assert_eq!(have, wanted, "{} on {}", state.name(), trigger.name());
                assert!(
                    !successors(state, trigger).contains(&state),
                    "no row leads back to its own state"
                );
            }
        }
        assert!(table.is_empty());
    }
}
