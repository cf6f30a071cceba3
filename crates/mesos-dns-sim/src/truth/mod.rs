//! A checker that knows the truth.
//!
//! ```text
//!   seed > schedule > world ---- what was true, when ----> log ----+
//!                       |                                          +--> checker > violations
//!            masters (HTTP or virtual) > program > answers > history
//! ```
//!
//! The [`world`] is a cluster whose addresses and ports name the version of the service they belong to, so that
//! a single answer tells which version it is. A [`schedule`] is what happens to it and to its masters, from a seed.
//! While it happens the world writes the [`log`] of what was true when, and of when nobody could have
//! known; somebody who asks without end keeps the [`history`] of what was answered. The [`checker`] is a pure
//! function of these two. It knows neither the program nor how it works:
//!
//! - [`recorder`] and [`director`] let a schedule happen in real time, over sockets;
//! - [`virtual_time`] connects the same world to the core without sockets, in made-up time, a thousand
//!   times faster; [`trial`] runs it for a seed, and makes a failing schedule small.
//!
//! The laws are in [`checker::Law`]; [`delays`] are figures from the same two.

mod asker;
pub mod checker;
pub mod delays;
pub mod director;
pub mod history;
pub mod log;
pub mod recorder;
mod replica;
pub mod schedule;
mod served;
pub mod services;
mod shown;
pub mod stage;
mod subscriber;
pub mod trial;
pub mod virtual_time;
pub mod world;
