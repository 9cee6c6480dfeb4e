//! What is kept on the server, and the three scripts that are all that is ever run there.
//!
//! ```text
//! hookwarden:{B}epoch     16 hex digits and the run id of the server's process: the memory that claims were made in
//! hookwarden:{B}joining   there while pods that share a new memory still write theirs to it
//! hookwarden:{B}<16 bytes>  a claim: "D" for done, or who holds it pending (8 bytes the process, 8 the claim)
//! ```
//!
//! Every key has a time to live.
//!
//! `B` is a bucket. A single server has one. A Cluster wants every key of a script in one slot, so a key's own bits say its
//! bucket, and each of [`CLUSTER_BUCKETS`] buckets has an epoch of its own. A message with a signed delivery id has keys in
//! two of them, and no tag could bring them together: whoever asks for the event alone (the same event, signed anew) knows
//! nothing of the message key; whoever asks for the message alone (the same bytes, sent to another route that shares the key,
//! which may look for another id in them or for none) knows nothing of the event key; and what neither of them knows cannot
//! say where the other's key is. So such a claim asks two buckets, one after the other: message first, so that of several
//! copies the first bucket lets one go on. To settle, all buckets are told at once.
//!
//! # Which process answers
//! A connection to a single server ends with the server's process, so whoever opens one asks for its run id. In a Cluster
//! the client opens connections as it needs them, a replica that is promoted has the epoch too, and a node that is started
//! again may have an old one from its disk: replication and persistence are both later than the answer to a claim. So there
//! the scripts look for themselves. A promoted replica, a node that was started again and one that a slot was moved to are
//! servers without memory, whatever they hold: all wait, and write back what they know.
//!
//! To ask for the run id takes a server as long as a claim. So the epoch holds a mark too, which is cheap to get: the node's
//! id and the second of its last save, which is at first that of its start. The mark is written in a later second than the
//! one it names, so no process that starts after it was written has the same.

use std::time::Duration;

use redis::Script;

use crate::replay::ClaimKey;

/// How many buckets a Cluster's keys are spread over: a few for each of the masters that a large one has.
pub(super) const CLUSTER_BUCKETS: usize = 64;

/// How long a memory lasts that nobody uses. Whoever comes later finds none, and waits [`JOINING`] for others.
const EPOCH_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long all wait when the server has lost its memory: several times as long as a process takes to notice
/// (`keeper::LOOK_EVERY`), so that each has begun to write what it knows. Whoever writes prolongs it.
pub(super) const JOINING: Duration = Duration::from_secs(3);

/// The scripts, with their hashes.
#[derive(Debug)]
pub(super) struct Scripts {
    claim: Script,
    change: Script,
    join: Script,
}

/// What the server says to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// All keys are ours, pending.
    New,
    /// The key at that index was done; how long that holds.
    Done(usize, Duration),
    /// A key is somebody else's, pending.
    Pending,
    /// The server's memory is another one than the asker knows.
    OtherEpoch,
    /// Others still write to it what they know.
    Joining,
}

/// Who holds a claim: the process, and a number that no other claim of it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replay) struct Token {
    pub(super) process: u64,
    pub(super) number: u64,
}

/// What becomes of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Done, for that long; a longer memory stays.
    Done(Duration),
    /// Pending for that long, where nothing is known of it.
    Pending(Token, Duration),
    /// Free again, if it is still that claim's, by its own number or the one that it was written back with.
    Released(Token, Token),
}

/// A memory's number; 0 is none.
pub(super) type Epoch = u64;

/// In a Cluster: the mark, and the run id of the process that runs this.
const WHO: &str = r"
local saved = redis.call('LASTSAVE')
local mark = redis.call('CLUSTER', 'MYID') .. saved
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or string.rep('-', 40)
end
local function marked(epoch)
  if tonumber(redis.call('TIME')[1]) > tonumber(saved) then return epoch .. mark end
  return epoch
end";

/// A claim whose keys share a bucket.
const CLAIM: &str = r"
local held = redis.call('MGET', unpack(KEYS))
if not held[1] or string.sub(held[1], 1, 16) ~= ARGV[1] then return {3, 0, 0} end";

/// In a Cluster, further: whether this process is the one that the epoch belongs to.
const SAME_PROCESS: &str = r"
if string.sub(held[1], 57) ~= mark then
  if string.sub(held[1], 17, 56) ~= run() then return {3, 0, 0} end
  redis.call('SET', KEYS[1], marked(string.sub(held[1], 1, 56)), 'KEEPTTL')
end";

/// The rest of a claim.
const CLAIM_KEYS: &str = r"
if held[2] then return {4, 0, 0} end
local process = string.sub(ARGV[2], 1, 8)
for at = 3, #KEYS do
  if held[at] == 'D' then return {1, at - 3, redis.call('PTTL', KEYS[at])} end
  if held[at] and string.sub(held[at], 1, 8) ~= process then return {2, at - 3, 0} end
end
for at = 3, #KEYS do redis.call('SET', KEYS[at], ARGV[2], 'PX', ARGV[3]) end
return {0, 0, 0}";

/// Changes of any number of keys that share a bucket.
const CHANGE: &str = r"
for at, key in ipairs(KEYS) do
  local what, millis = ARGV[2 * at - 1], ARGV[2 * at]
  local verb, token = string.sub(what, 1, 1), string.sub(what, 2)
  local held = redis.call('GET', key)
  if verb == 'D' then
    if held ~= 'D' or redis.call('PTTL', key) < tonumber(millis) then redis.call('SET', key, 'D', 'PX', millis) end
  elseif verb == 'P' then
    if not held then redis.call('SET', key, token, 'PX', millis) end
  elseif held == string.sub(token, 1, 16) or held == string.sub(token, 17) then
    redis.call('DEL', key)
  end
end
return #KEYS";

/// Which memory this is. One of another server process, or none, becomes a new one that all have to join.
const JOIN: &str = r"
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 17) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return string.sub(held, 1, 16)
end
redis.call('SET', KEYS[1], ARGV[2] .. ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
return ARGV[2]";

/// The same in a Cluster, where the script itself finds out whose memory it is.
const JOIN_NODE: &str = r"
local held, epoch = redis.call('GET', KEYS[1]), ARGV[2] .. run()
if held and string.sub(held, 17, 56) == string.sub(epoch, 17) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return string.sub(held, 1, 16)
end
redis.call('SET', KEYS[1], marked(epoch), 'PX', ARGV[4])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
return ARGV[2]";

impl Scripts {
    /// For a Cluster or for one server.
    pub(super) fn new(cluster: bool) -> Self {
        let (claim, join) = if cluster {
            ([WHO, CLAIM, SAME_PROCESS, CLAIM_KEYS].concat(), [WHO, JOIN_NODE].concat())
        } else {
            ([CLAIM, CLAIM_KEYS].concat(), JOIN.to_owned())
        };
        Self { claim: Script::new(&claim), change: Script::new(CHANGE), join: Script::new(&join) }
    }

    /// Claims keys of one bucket, pending for that long.
    pub(super) fn claim(
        &self,
        bucket: usize,
        epoch: Epoch,
        keys: &[ClaimKey],
        token: Token,
        pending: Duration,
    ) -> redis::ScriptInvocation<'_> {
        let mut invocation = self.claim.prepare_invoke();
        invocation.key(named(bucket, b"epoch")).key(named(bucket, b"joining"));
        for key in keys {
            invocation.key(named(bucket, key));
        }
        invocation.arg(hex(epoch)).arg(token.bytes().as_slice()).arg(millis(pending));
        invocation
    }

    /// Changes keys of one bucket.
    pub(super) fn change(&self, bucket: usize, changes: &[(ClaimKey, Change)]) -> redis::ScriptInvocation<'_> {
        let mut invocation = self.change.prepare_invoke();
        for (key, change) in changes {
            invocation.key(named(bucket, key));
            let (verb, tokens, lasting) = match change {
                Change::Done(lasting) => (b'D', [None, None], *lasting),
                Change::Pending(token, lasting) => (b'P', [Some(token), None], *lasting),
                Change::Released(token, written_back) => (b'R', [Some(token), Some(written_back)], Duration::ZERO),
            };
            let mut what = vec![verb];
            what.extend(tokens.into_iter().flatten().flat_map(|token| token.bytes()));
            invocation.arg(what).arg(millis(lasting));
        }
        invocation
    }

    /// Finds out the epoch of one bucket, or begins one: `fresh`, on the server process of that identity (in a Cluster the
    /// script knows better).
    pub(super) fn join(&self, bucket: usize, identity: &str, fresh: Epoch) -> redis::ScriptInvocation<'_> {
        let mut invocation = self.join.prepare_invoke();
        invocation.key(named(bucket, b"epoch")).key(named(bucket, b"joining"));
        invocation.arg(identity).arg(hex(fresh)).arg(millis(JOINING)).arg(millis(EPOCH_LIFE));
        invocation
    }
}

/// Asks for the epochs of all buckets. A Cluster's client asks each node for its own.
pub(super) fn epochs(buckets: usize) -> redis::Cmd {
    let mut command = redis::cmd("MGET");
    (0..buckets).for_each(|bucket| {
        command.arg(named(bucket, b"epoch"));
    });
    command
}

/// Keeps those waiting who wait, while this process writes what it knows.
pub(super) fn prolong(bucket: usize) -> redis::Cmd {
    let mut command = redis::cmd("SET");
    command.arg(named(bucket, b"joining")).arg("1").arg("XX").arg("PX").arg(millis(JOINING));
    command
}

impl Said {
    /// What the claim script's three numbers mean.
    pub(super) fn of((code, at, millis): (i64, i64, i64)) -> Option<Self> {
        Some(match code {
            0 => Self::New,
            1 => {
                Self::Done(usize::try_from(at).ok()?, Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
            }
            2 => Self::Pending,
            3 => Self::OtherEpoch,
            4 => Self::Joining,
            _ => return None,
        })
    }
}

impl Token {
    fn bytes(self) -> [u8; 16] {
        let (process, number) = (self.process.to_be_bytes(), self.number.to_be_bytes());
        std::array::from_fn(|at| if at < 8 { process[at] } else { number[at - 8] })
    }
}

/// The epoch that the join script's answer names, or the epoch's key holds.
pub(super) fn epoch(answer: &str) -> Option<Epoch> {
    u64::from_str_radix(answer.get(..16)?, 16).ok().filter(|epoch| *epoch != 0)
}

/// Which bucket a key is in.
pub(super) fn bucket(key: &ClaimKey, buckets: usize) -> usize {
    usize::from(key[0]) % buckets
}

fn named(bucket: usize, name: &[u8]) -> Vec<u8> {
    let mut key = format!("hookwarden:{{{bucket}}}").into_bytes();
    key.extend_from_slice(name);
    key
}

fn hex(epoch: Epoch) -> String {
    format!("{epoch:016x}")
}

/// At least one: the server refuses a life of none.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).clamp(1, MAX_MILLIS)
}

/// A hundred years: what the server adds the present time to must stay below 2^63.
const MAX_MILLIS: u64 = 100 * 365 * 86_400_000;
