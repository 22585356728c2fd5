//! Outside witnesses (C2SP tlog-witness): every checkpoint is shown to all of them at once before it is published.
//!
//! One thread asks one witness ([`ask`]); this side counts answers until the policy is met and a short grace for the rest is over.
//! A witness that fails is left alone for a while, one that hangs is not waited for where the others are enough. It fails closed:
//! too few cosignatures, or a witness that knows more of this log than we have, and the checkpoint stays unpublished.

mod ask;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

pub use ask::{agent, tls};

use self::ask::{Answer, Asker, Job};
use crate::limits::{WITNESS_CALL_MS, WITNESS_GRACE_MS, WITNESS_PAUSE_MS};
use crate::log::fork::Fork;
use crate::log::note::VerifierKey;
use crate::log::policy::{Policy, PolicyFault};
use crate::log::publish::{CosignFault, Cosigners, Proposal, WitnessState};

/// The witnesses of a policy, being asked.
pub struct Witnesses {
    policy: Policy,
    posts: Vec<Post>,
    answers: mpsc::Receiver<(usize, Arc<Job>, Answer)>,
}

/// One witness, as this side knows it.
struct Post {
    name: String,
    key: VerifierKey,
    jobs: mpsc::SyncSender<Arc<Job>>,
    /// It has a job and has not answered.
    busy: bool,
    /// Its newest cosignature: the note's three lines, and the line.
    cosigned: Option<(String, String)>,
    /// A checkpoint by our key, longer than our log: size and note.
    ahead: Option<(u64, String)>,
    /// Why it did not cosign last.
    trouble: Option<String>,
    /// Not asked before, and the pause after the next failure.
    rest: Option<(Instant, Duration)>,
}

impl Post {
    fn line(&self, text: &str) -> Option<&String> {
        self.cosigned.as_ref().filter(|(own, _)| own == text).map(|(_, line)| line)
    }

    fn rests(&self, now: Instant) -> bool {
        self.rest.is_some_and(|(until, _)| now < until)
    }

    /// Whether it has been given the job.
    fn take(&mut self, job: &Arc<Job>, now: Instant) -> bool {
        self.busy = !self.rests(now) && self.jobs.try_send(job.clone()).is_ok();
        self.busy
    }

    fn failed(&mut self, why: String) {
        let [first, longest] = [WITNESS_PAUSE_MS.0, WITNESS_PAUSE_MS.1].map(Duration::from_millis);
        let pause = self.rest.map_or(first, |(_, next)| next);
        self.rest = Some((Instant::now() + pause, (pause * 2).min(longest)));
        self.trouble = Some(why);
    }
}

impl Witnesses {
    /// Starts a thread for each witness that has an address.
    ///
    /// # Errors
    /// [`PolicyFault`] as of [`Policy::askable`]; no thread could be started.
    pub fn start(policy: Policy) -> Result<Self, PolicyFault> {
        let (told, answers) = mpsc::channel();
        let mut posts = Vec::new();
        for (place, witness) in policy.askable()?.into_iter().enumerate() {
            let fault = |why| PolicyFault { line: witness.line, why };
            let url = witness.url.as_deref().unwrap_or_default();
            let asker = Asker::new(url, witness.key.clone()).map_err(fault)?;
            // One job at most waits for it, however long it hangs.
            let (jobs, given) = mpsc::sync_channel::<Arc<Job>>(1);
            let told = told.clone();
            let work = move || {
                let mut asker = asker;
                for job in given {
                    let answer = asker.ask(&job);
                    if told.send((place, job, answer)).is_err() {
                        return;
                    }
                }
            };
            let thread = std::thread::Builder::new().name(format!("witness {place}"));
            thread.spawn(work).map_err(|error| fault(format!("no thread could be started for it: {error}")))?;
            posts.push(Post {
                name: format!("{} ({url})", witness.name),
                key: witness.key.clone(),
                jobs,
                busy: false,
                cosigned: None,
                ahead: None,
                trouble: None,
                rest: None,
            });
        }
        Ok(Witnesses { policy, posts, answers })
    }

    fn is_met(&self, text: &str) -> bool {
        self.policy.is_met(|key| self.posts.iter().any(|post| post.key == *key && post.line(text).is_some()))
    }

    /// Takes an answer in; a fork ends everything.
    fn heard(&mut self, place: usize, job: &Job, answer: Answer) -> Result<(), CosignFault> {
        let Some(post) = self.posts.get_mut(place) else { return Ok(()) };
        post.busy = false;
        match answer {
            Answer::Cosigned(line) => {
                (post.cosigned, post.trouble, post.rest) = (Some((job.text.clone(), line)), None, None);
            }
            Answer::Ahead { size, note } => post.ahead = Some((size, note)),
            Answer::Forked(fork) => return Err(CosignFault::Forked { witness: post.name.clone(), fork }),
            Answer::Failed(why) => post.failed(why),
        }
        Ok(())
    }

    /// What witnesses showed beyond our log, held against it once it is that long.
    fn settle_ahead(&mut self, proposal: &Proposal<'_>) -> Result<(), CosignFault> {
        for post in &mut self.posts {
            let Some((size, note)) = &post.ahead else { continue };
            let (own, witness) = (proposal.checkpoint.head.size, post.name.clone());
            if *size > own {
                return Err(CosignFault::Waits(format!(
                    "{witness} holds a checkpoint of {size} entries signed by this log's key, this log has {own}: it was cut, or \
                     another copy of this ledger runs; nothing is published before this log has them"
                )));
            }
            match Fork::make(proposal.folder, proposal.keys, proposal.note, note) {
                Ok(Some(fork)) => return Err(CosignFault::Forked { witness, fork: Box::new(fork) }),
                Ok(None) => post.ahead = None,
                Err(fault) => return Err(CosignFault::Waits(format!("{witness}: {fault}"))),
            }
        }
        Ok(())
    }

    /// Waits until the policy is met and the grace over, or nobody asked for this is left.
    fn collect(&mut self, text: &str, mut asked: Vec<usize>) -> Result<(), CosignFault> {
        // A second more than each of them takes at most, so that it can say why.
        let mut until = Instant::now() + Duration::from_millis(WITNESS_CALL_MS + WITNESS_PAUSE_MS.0);
        let mut graced = false;
        loop {
            if !graced && self.is_met(text) {
                graced = true;
                until = until.min(Instant::now() + Duration::from_millis(WITNESS_GRACE_MS));
            }
            if asked.is_empty() {
                return Ok(());
            }
            match self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((place, job, answer)) => {
                    self.heard(place, &job, answer)?;
                    if job.text == text {
                        asked.retain(|one| *one != place);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn missing(&self, text: &str) -> String {
        let missing = self.posts.iter().filter(|post| post.line(text).is_none());
        let told = missing
            .map(|post| format!("{}: {}", post.name, post.trouble.as_deref().unwrap_or("it has not answered yet")));
        told.collect::<Vec<_>>().join("; ")
    }
}

impl Cosigners for Witnesses {
    fn states(&self) -> Vec<WitnessState> {
        let state = |post: &Post| {
            let size = post.cosigned.as_ref().and_then(|(text, _)| text.lines().nth(1)?.parse().ok());
            let well = post.cosigned.is_some() && post.trouble.is_none();
            WitnessState { name: post.name.clone(), well, size: size.unwrap_or(0) }
        };
        self.posts.iter().map(state).collect()
    }

    fn cosign(&mut self, proposal: &Proposal<'_>) -> Result<Vec<String>, CosignFault> {
        let logs = self.policy.logs();
        let key = proposal.keys.at(proposal.checkpoint.head.size);
        if !logs.is_empty() && !logs.contains(key) {
            let why = format!("the policy of witnesses lists other logs than this one, which is {key}");
            return Err(CosignFault::Waits(why));
        }
        while let Ok((place, job, answer)) = self.answers.try_recv() {
            self.heard(place, &job, answer)?;
        }
        self.settle_ahead(proposal)?;
        let job = Arc::new(Job::new(proposal));
        let (text, now) = (job.text.clone(), Instant::now());
        let asked = (0..self.posts.len()).filter(|place| {
            let post = &mut self.posts[*place];
            !post.busy && post.line(&text).is_none() && post.take(&job, now)
        });
        let asked = asked.collect();
        self.collect(&text, asked)?;
        self.settle_ahead(proposal)?;
        if self.is_met(&text) {
            return Ok(self.posts.iter().filter_map(|post| post.line(&text).cloned()).collect());
        }
        Err(CosignFault::Waits(self.missing(&text)))
    }
}
