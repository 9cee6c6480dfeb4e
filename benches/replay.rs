//! What claims cost: in this process's own store, with a journal, and on a Redis on this machine.
//!
//! `cargo bench --bench replay` prints all; a word behind `--` picks the parts whose names hold it. What depends on a
//! server starts `redis-server` itself, and is left out with a word where there is none. Times of different machines do
//! not compare. Where a number has a peer (Redis's own `SET NX PX` beside a claim), the peer stands beside it.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench measures and prints")]

use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hookwarden::clock::Now;
use hookwarden::replay::{ClaimKey, Full, Lasting, Outcome, Place, Replay, Terms, Topology, Unavailable};

const PARTS: [(&str, fn()); 10] = [
    ("local_memory", local_memory),
    ("local_turnover_by_expiry", local_turnover_by_expiry),
    ("local_turnover_by_eviction", local_turnover_by_eviction),
    ("local_rate", local_rate),
    ("local_scale", local_scale),
    ("local_spikes", local_spikes),
    ("local_rounds", local_rounds),
    ("local_full", local_full),
    ("journal", journal),
    ("shared", shared),
];

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [name] = &wanted[..]
        && let Some((_, part)) = PARTS.iter().find(|(part, _)| part == name)
    {
        return part();
    }
    let this = std::env::current_exe().expect("Linux");
    for (name, _) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            // Each in a process of its own: none finds memory that another has left.
            assert!(Command::new(&this).arg(name).status().expect("it runs").success(), "{name} failed");
        }
    }
}

/// Bytes of memory for each entry, as the system counts them.
fn local_memory() {
    for entries in [100_000, 1_000_000, 2_000_000, 10_000_000] {
        let before = resident();
        let start = Now::read();
        let store = Replay::new(entries, Full::Auto, start);
        fill(&store, start, 0, entries, Duration::from_secs(3600));
        let bytes = resident().saturating_sub(before);
        println!("  {entries:>10} entries: {:>5.1} MiB, {:>4.1} bytes each", mib(bytes), per(bytes, entries));
        black_box(store.entries());
    }
}

/// New messages claimed and settled, by one thread and by two.
fn local_rate() {
    const COUNT: usize = 2_000_000;
    for entries in [1_000, 1_000_000] {
        for threads in [1, 2] {
            let start = Now::read();
            let store = Replay::new(entries + threads * COUNT, Full::Auto, start);
            fill(&store, start, 0, entries, Duration::from_secs(3600));
            let began = Instant::now();
            thread::scope(|scope| {
                for thread in 1..=threads {
                    let store = &store;
                    scope.spawn(move || fill(store, start, thread * 100_000_000, COUNT, Duration::from_secs(3600)));
                }
            });
            let rate = per(threads * COUNT, 1) / began.elapsed().as_secs_f64();
            println!(
                "  {entries:>9} entries before, {threads} thread(s): {:>5.2} million claims and settlements a second",
                rate / 1e6
            );
        }
    }
}

/// A claim and its settlement in stores that hold up to ten million others, as a ratio to an empty one: all sizes in each
/// round, so that other work on the machine meets them all. A claim among millions finds its place outside the processor's
/// caches. The promise is twice an empty store's cost at most; this fails where it does not hold.
fn local_scale() {
    const MOST: usize = 10_000_000;
    let start = Now::read();
    let sizes = [0, 10_000, 100_000, 1_000_000, MOST];
    let stores = sizes.map(|entries| {
        let store = Replay::new(MOST + MOST / 4, Full::Auto, start);
        fill(&store, start, 0, entries, Duration::from_secs(3600));
        assert_eq!(store.entries(), entries, "some gave way");
        store
    });
    // The first round touches memory for the first time.
    stores.iter().zip(sizes).for_each(|(store, size)| _ = passing_claims(store, size, start, 0));
    let rounds: Vec<_> =
        (1..16).map(|round| std::array::from_fn(|at| passing_claims(&stores[at], sizes[at], start, round))).collect();
    println!("     entries   ns a claim and its settlement   ratio");
    for (at, entries) in sizes.into_iter().enumerate() {
        let middle = |of: &dyn Fn(&[f64; 5]) -> f64| {
            let mut values: Vec<_> = rounds.iter().map(of).collect();
            values.sort_unstable_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (each, ratio) = (middle(&|round| round[at]), middle(&|round| round[at] / round[0]));
        println!("  {entries:>10}   {each:>29.0}   {ratio:>5.2}");
        assert!(ratio <= 2.0, "more than twice an empty store's");
    }
}

/// Nanoseconds of processor time of one of many claims that end soon; the store holds the same as before afterwards.
fn passing_claims(store: &Replay, entries: usize, start: Now, round: u64) -> f64 {
    const CLAIMS: usize = 20_000;
    let (now, from) = (later(start, 60 * round), 100_000_000);
    let used = processor_time();
    (from..from + CLAIMS).for_each(|number| settle(store, number, now, 1));
    let took = processor_time().saturating_sub(used);
    assert_eq!(store.entries(), entries + CLAIMS, "not every claim was new");
    // A memory is at least as long as the claim could have been pending.
    (0..16).for_each(|_| store.purge(later(now, 40)));
    assert_eq!(store.entries(), entries, "not every claim ended");
    took.as_secs_f64() * 1e9 / per(CLAIMS, 1)
}

/// Single claims at ten million entries: while nothing else goes on, and while a generation of a million ends and the
/// housekeeper sweeps without pause; beside a loop without a store, which shows what the machine itself adds.
fn local_spikes() {
    const ENTRIES: usize = 10_000_000;
    const CLAIMS: usize = 1_000_000;
    let start = Now::read();
    let control = without_store(CLAIMS);
    let store = Replay::new(2 * ENTRIES, Full::Auto, start);
    fill(&store, start, 0, ENTRIES - 1_000_000, Duration::from_secs(3600));
    fill(&store, start, ENTRIES, 1_000_000, Duration::from_secs(600));
    for (name, sweeps, at) in [("nothing else", false, start), ("a generation ends", true, later(start, 601))] {
        let (stop, before) = (AtomicBool::new(false), store.entries());
        let samples = thread::scope(|scope| {
            if sweeps {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        store.purge(at);
                    }
                });
            }
            let from = 3 * ENTRIES + usize::from(sweeps) * ENTRIES;
            let samples = Samples::of(CLAIMS, |number| settle(&store, from + number, at, 3600));
            stop.store(true, Ordering::Relaxed);
            samples
        });
        samples.print(name, &control);
        println!("    entries: {before} before, {} after", store.entries());
    }
}

/// How long the housekeeper's rounds take at ten million entries: a sixteenth of all locks each, one after the other.
fn local_rounds() {
    const ENTRIES: usize = 10_000_000;
    let start = Now::read();
    let store = Replay::new(ENTRIES + ENTRIES / 4, Full::Auto, start);
    fill(&store, start, 0, ENTRIES, Duration::from_secs(3600));
    print_times(
        "a round of some 270 locks",
        &(0..64).map(|_| timed(|| store.purge(later(start, 1)))).collect::<Vec<_>>(),
    );
}

/// Claims in a store that is full all the time: each has to find room.
fn local_full() {
    const CLAIMS: usize = 500_000;
    let start = Now::read();
    let control = without_store(CLAIMS);
    for entries in [100_000, 1_000_000, 10_000_000] {
        let store = Replay::new(entries, Full::Auto, start);
        fill(&store, start, 0, entries, Duration::from_secs(3600));
        let samples = Samples::of(CLAIMS, |number| settle(&store, entries + number, later(start, 1), 3600));
        samples.print(&format!("{entries} entries"), &control);
        println!("    evicted {}; one claim looked at {} entries at most", store.evictions(), store.longest_look());
    }
}

/// Memory after the store has been filled anew many times over, while entries end by themselves.
fn local_turnover_by_expiry() {
    turnover(600);
}

/// The same while entries give way.
fn local_turnover_by_eviction() {
    turnover(36_000);
}

/// Of a million entries a tenth comes in each minute of an hour; they last for that many seconds.
fn turnover(lifetime: u64) {
    const ENTRIES: usize = 1_000_000;
    let (before, start) = (resident(), Now::read());
    let store = Replay::new(ENTRIES, Full::Auto, start);
    let mut most = 0;
    for minute in 0..60 {
        let now = later(start, 60 * minute);
        let from = usize::try_from(minute).unwrap_or_default() * ENTRIES / 10;
        (from..from + ENTRIES / 10).for_each(|number| settle(&store, number, now, lifetime));
        (0..16).for_each(|_| store.purge(now));
        most = most.max(store.entries());
    }
    let bytes = resident().saturating_sub(before);
    println!("  {:>5.1} MiB, {:>4.1} bytes for each of {most}", mib(bytes), per(bytes, most));
}

/// The loop around a claim, without the claim: the key and one look into a memory as large as the store's.
fn without_store(count: usize) -> Samples {
    let mut memory = vec![1_u64; 40_000_000];
    memory.iter_mut().zip(0..).for_each(|(word, number)| *word = number);
    Samples::of(count, |number| {
        let key = key(black_box(number));
        let at = u64::from_le_bytes(key[..8].try_into().expect("eight bytes"));
        let length = memory.len() as u64;
        black_box(memory[usize::try_from(at % length).expect("an index")]);
    })
}

/// What many runs of one thing took: by the clock, and of this thread's processor time, which other threads' work does
/// not count to. (Interrupts that come meanwhile do.)
struct Samples {
    clock: Vec<Duration>,
    processor: Vec<Duration>,
    faults: usize,
}

impl Samples {
    fn of(count: usize, mut work: impl FnMut(usize)) -> Self {
        let (mut clock, mut processor) = (Vec::with_capacity(count), Vec::with_capacity(count));
        // So that no page of these lists is first touched meanwhile.
        clock.resize(count, Duration::ZERO);
        processor.resize(count, Duration::ZERO);
        let faults = page_faults();
        for number in 0..count {
            let (began, used) = (Instant::now(), processor_time());
            work(number);
            (processor[number], clock[number]) = (processor_time().saturating_sub(used), began.elapsed());
        }
        Self { clock, processor, faults: page_faults() - faults }
    }

    fn print(&self, name: &str, control: &Self) {
        print_times(&format!("{name}, by the clock"), &self.clock);
        print_times("  without a store", &control.clock);
        print_times(&format!("{name}, processor time"), &self.processor);
        print_times("  without a store", &control.processor);
        let ratio = |part: f64| {
            quantile(&self.processor, part).as_secs_f64() / quantile(&control.processor, part).as_secs_f64()
        };
        let (p50, p9999, longest) = (ratio(0.5), ratio(0.9999), ratio(1.0));
        println!("    processor time over that: p50 {p50:.1}, p99.99 {p9999:.1}, longest {longest:.1} times");
        let over = self.processor.iter().filter(|time| **time > Duration::from_millis(1)).count();
        println!(
            "    above 1 ms of processor time: {over}; page faults: {} (without a store: {})",
            self.faults, control.faults
        );
    }
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a time since the thread began")
}

/// Of this thread: pages that it was given when it first touched them.
fn page_faults() -> usize {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("the name's end");
    fields.split_whitespace().nth(7).and_then(|faults| faults.parse().ok()).expect("a number of faults")
}

/// What a start has to read, and what a settlement pays for its record.
fn journal() {
    const ENTRIES: usize = 1_000_000;
    let directory = std::env::temp_dir().join(format!("hookwarden-bench-{}", std::process::id()));
    let open = |now| Replay::new(ENTRIES, Full::Auto, now).with_journal(&directory, now).expect("a directory");
    let start = Now::read();
    let store = open(start);
    let began = Instant::now();
    fill(&store, start, 0, ENTRIES, Duration::from_secs(3600));
    println!(
        "  claims and settlements with a record each: {:.2} million a second",
        1.0 / began.elapsed().as_secs_f64()
    );
    drop(store);
    let began = Instant::now();
    let store = open(Now::read());
    println!("  a start with {} entries: {:.0} ms", store.entries(), began.elapsed().as_secs_f64() * 1e3);
    drop(store);
    std::fs::remove_dir_all(&directory).expect("a directory");
}

/// A claim's time here and on a Redis on this machine, one after the other and many at once.
fn shared() {
    let start = Now::read();
    let local = Replay::new(1_000_000, Full::Auto, start);
    print_times(
        "local claim",
        &(0..200_000).map(|number| timed(|| settle(&local, number, start, 600))).collect::<Vec<_>>(),
    );
    let Some(server) = Server::start() else {
        println!("  no redis-server: the rest is left out");
        return;
    };
    let place = Place {
        topology: Topology::Single,
        nodes: vec![("127.0.0.1".to_owned(), server.port)],
        tls: false,
        ca: None,
        user: None,
        password: None,
        database: 0,
    };
    let store =
        Replay::new(10_000_000, Full::Auto, start).with_shared(place, Unavailable::Deny).expect("random numbers");
    let store = Arc::new(store);
    let kept = store.clone();
    let keeper = thread::spawn(move || current_thread().block_on(kept.keep_shared()));
    let runtime = current_thread();
    // A server without memory keeps all waiting at first.
    while runtime.block_on(claim_shared(&store, 0)).is_none() {
        thread::yield_now();
    }
    server.print_rows(&runtime, &store);
    runtime.block_on(store.close());
    keeper.join().expect("the keeper ends");
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).ok()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Self { child, port };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "the server never listens");
            thread::yield_now();
        }
        Some(server)
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("a URL")
    }

    fn info(&self, section: &str, name: &str) -> String {
        let mut connection = self.client().get_connection().expect("it answers");
        let info: String = redis::cmd("INFO").arg(section).query(&mut connection).expect("it answers");
        let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }

    fn memory(&self) -> usize {
        self.info("memory", "used_memory").parse().expect("a number")
    }

    fn print_rows(&self, runtime: &tokio::runtime::Runtime, store: &Replay) {
        const ONE_BY_ONE: usize = 20_000;
        let mut bare = runtime.block_on(self.client().get_multiplexed_async_connection()).expect("it answers");
        let set = |number: usize| {
            let mut command = redis::cmd("SET");
            command.arg(format!("bench:{number}")).arg("1").arg("NX").arg("PX").arg(60_000);
            command
        };
        let times = (0..ONE_BY_ONE)
            .map(|number| timed(|| runtime.block_on(set(number).query_async::<()>(&mut bare)).expect("it answers")));
        print_times("SET NX PX, connection on this thread", &times.collect::<Vec<_>>());
        let other = current_thread();
        let mut elsewhere = other.block_on(self.client().get_multiplexed_async_connection()).expect("it answers");
        let stop = Arc::new(tokio::sync::Notify::new());
        let stopped = stop.clone();
        let driver = thread::spawn(move || other.block_on(stopped.notified()));
        let times = (0..ONE_BY_ONE).map(|number| {
            timed(|| runtime.block_on(set(ONE_BY_ONE + number).query_async::<()>(&mut elsewhere)).expect("it answers"))
        });
        print_times("SET NX PX, connection on another thread", &times.collect::<Vec<_>>());
        stop.notify_one();
        driver.join().expect("the driver ends");
        let times =
            (1..=ONE_BY_ONE).map(|number| timed(|| runtime.block_on(claim_shared(store, number)).expect("new")));
        print_times("shared claim, its settlement queued", &times.collect::<Vec<_>>());
        let times = (ONE_BY_ONE + 1..=2 * ONE_BY_ONE)
            .map(|number| timed(|| runtime.block_on(accept_shared(store, number)).expect("new")));
        print_times("shared claim, its settlement waited for", &times.collect::<Vec<_>>());

        for (count, at_once, from) in [(200_000, 64, 1_000_000), (200_000, 512, 2_000_000)] {
            let memory = self.memory();
            let began = Instant::now();
            runtime.block_on(many(store, from, count, at_once));
            let rate = per(count, 1) / began.elapsed().as_secs_f64();
            let each = per(self.memory().saturating_sub(memory), count);
            println!(
                "  shared, {at_once} at once: {rate:.0} claims and settlements a second; {each:.0} bytes a key on the server"
            );
        }
        println!("  evalsha on the server: {}", self.info("commandstats", "cmdstat_evalsha"));
        println!("  set on the server: {}", self.info("commandstats", "cmdstat_set"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn many(store: &Replay, from: usize, count: usize, at_once: usize) {
    let next = std::cell::Cell::new(from);
    let one = || async {
        while next.get() < from + count {
            let number = next.replace(next.get() + 1);
            claim_shared(store, number).await.expect("new");
        }
    };
    let mut all: Vec<_> = (0..at_once).map(|_| Box::pin(one())).collect();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

async fn claim_shared(store: &Replay, number: usize) -> Option<()> {
    let now = Now::read();
    let claim = store.claim(&[key(number)], None, terms(Duration::from_secs(600)), now).ok()?;
    let claim = store.confirm(claim).await.ok()?;
    claim.settle(store, Outcome::Done, now);
    Some(())
}

/// As the pipeline does: the sender hears of the success when the server has.
async fn accept_shared(store: &Replay, number: usize) -> Option<()> {
    let claim = store.claim(&[key(number)], None, terms(Duration::from_secs(600)), Now::read()).ok()?;
    let claim = store.confirm(claim).await.ok()?;
    claim.accept(store).await;
    Some(())
}

fn fill(store: &Replay, now: Now, from: usize, count: usize, lifetime: Duration) {
    for number in from..from + count {
        settle(store, number, now, lifetime.as_secs());
    }
}

fn settle(store: &Replay, number: usize, now: Now, lifetime: u64) {
    if let Ok(claim) = store.claim(&[key(black_box(number))], None, terms(Duration::from_secs(lifetime)), now) {
        claim.settle(store, Outcome::Done, now);
    }
}

fn terms(lifetime: Duration) -> Terms {
    let lasting = Lasting { lifetime, may_give_way: true };
    Terms { message: lasting, event: lasting, pending: Duration::from_secs(33) }
}

/// Keys are parts of MACs: all bits count.
fn key(number: usize) -> ClaimKey {
    let mixed = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (mixed ^ (mixed >> 61)).to_le_bytes()
}

fn later(start: Now, seconds: u64) -> Now {
    start.plus(Duration::from_secs(seconds))
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    black_box(work());
    began.elapsed()
}

fn print_times(name: &str, times: &[Duration]) {
    let at = |part: f64| quantile(times, part);
    println!(
        "  {name}: p50 {:?}, p99 {:?}, p99.9 {:?}, p99.99 {:?}, longest {:?}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.9999),
        at(1.0)
    );
}

fn quantile(times: &[Duration], part: f64) -> Duration {
    let mut times = times.to_vec();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
    let index = ((per(times.len(), 1) * part) as usize).min(times.len() - 1);
    *times.select_nth_unstable(index).1
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * rustix::param::page_size()
}

fn mib(bytes: usize) -> f64 {
    per(bytes, 1 << 20)
}

#[allow(clippy::cast_precision_loss, reason = "numbers for people")]
fn per(number: usize, each: usize) -> f64 {
    number as f64 / each as f64
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
