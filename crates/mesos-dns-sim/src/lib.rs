//! Pretends: a Mesos cluster and its masters, for the demonstration, the tests and the benches.
//!
//! - [`mod@bench`]: measures the program from outside.
//! - [`catalogue`]: which services there are and how frameworks name their tasks.
//! - [`cluster`]: agents, frameworks and tasks at one moment; [`life`]: what happens to them, from a seed.
//! - [`memory`]: what a leader has learnt of it, and what it tells its subscribers.
//! - [`profile`]: which Mesos it is; [`render`]: the documents and events in which a master shows it.
//! - [`master`]: masters that speak HTTP, lead, fail and recover when told.
//! - [`scenario`]: what happens to cluster and masters, as data.
//! - [`clock`]: lets clusters live and scenarios be played in real time.
//! - [`client`]: asks, over DNS and HTTP; [`subscriber`]: listens to a stream.
//! - [`upstream`]: a DNS server that names which are not ours are asked of.
//! - [`truth`]: a world whose answers name their version, and a checker that knows what was true.

pub mod bench;
pub mod catalogue;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod life;
pub mod master;
pub mod memory;
pub mod profile;
pub mod render;
pub mod scenario;
pub mod subscriber;
pub mod truth;
pub mod upstream;
