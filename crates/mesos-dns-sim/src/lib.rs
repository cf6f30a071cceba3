//! Pretends: a Mesos cluster and its masters, for the demonstration, the tests and the benches.
//!
//! - [`catalogue`]: which services there are and how frameworks name their tasks.
//! - [`cluster`]: agents, frameworks and tasks at one moment; [`life`]: what happens to them, from a seed.
//! - [`render`]: the documents in which a master shows it.
//! - [`master`]: masters that speak HTTP, lead, fail and recover when told.
//! - [`clock`]: lets the cluster live in real time.
//! - [`client`]: asks, over DNS and HTTP.
//! - [`truth`]: a world whose answers name their version, and a checker that knows what was true.

pub mod catalogue;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod life;
pub mod master;
pub mod render;
pub mod truth;
