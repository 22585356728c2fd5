//! The policy of witnesses that `up` and `run` publish under: read before anything is started.

use std::path::{Path, PathBuf};

use super::super::exit::{Failure, could};
use super::super::out;
use crate::limits::POLICY_BYTES_MAX;
use crate::log::policy::{Policy, PolicyFault};
use crate::log::publish::{Cosigners, Nobody};
use crate::projector::witness::Witnesses;
use crate::sign::{KeyPair, public_key_bytes};

/// A policy and where it stands.
pub struct Watch {
    path: PathBuf,
    policy: Policy,
}

fn refused(path: &Path, fault: &PolicyFault) -> Failure {
    could(format!("증인 정책 {}: {fault}", path.display()), format!("witness policy {}: {fault}", path.display())).next(
        "그 줄을 고치세요. 형식은 C2SP tlog-policy이며, deploy/AUDITORS.md에 예가 있습니다.",
        "mend that line; the form is C2SP tlog-policy, deploy/AUDITORS.md has an example",
    )
}

/// The policy given, else `DIR/witnesses.policy`; `None` where there is none.
pub fn read(given: Option<&Path>, data: &Path) -> anyhow::Result<Option<Watch>> {
    let own = data.join("witnesses.policy");
    let path = match given {
        Some(path) => path.to_owned(),
        None if own.exists() => own,
        None => return Ok(None),
    };
    let policy = Policy::parse(&out::read_text(&path, POLICY_BYTES_MAX as u64)?);
    let policy = policy.map_err(|fault| refused(&path, &fault))?;
    policy.askable().map_err(|fault| refused(&path, &fault))?;
    Ok(Some(Watch { path, policy }))
}

/// Whoever cosigns what these keys sign.
pub fn cosigners<'a>(
    watch: Option<Watch>,
    keys: impl Iterator<Item = &'a KeyPair>,
) -> anyhow::Result<Box<dyn Cosigners>> {
    let Some(Watch { path, policy }) = watch else { return Ok(Box::new(Nobody)) };
    let own: Vec<_> = keys.filter_map(|key| public_key_bytes(key.public())).collect();
    if let Some(witness) = policy.witnesses().find(|witness| own.contains(witness.key.bytes())) {
        let why = format!("'{}' has the key of this log itself: that is no witness", witness.name);
        return Err(refused(&path, &PolicyFault { line: witness.line, why }).into());
    }
    Ok(Box::new(Witnesses::start(policy).map_err(|fault| refused(&path, &fault))?))
}
