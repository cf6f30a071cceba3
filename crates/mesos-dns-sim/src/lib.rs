//! Pretends: a Mesos cluster and its masters, for the demonstration, the tests and the benches.
//!
//! - [`catalogue`]: which services there are and how frameworks name their tasks.
//! - [`cluster`]: agents, frameworks and tasks at one moment; [`life`]: what happens to them, from a seed.

pub mod catalogue;
pub mod cluster;
pub mod life;
