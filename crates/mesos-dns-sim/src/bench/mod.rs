//! Measures the program from outside: processes of their own, figures taken by what a client sees and what the
//! kernel counts. The benches under `bin` put these together.
//!
//! - [`process`]: a program that runs, and what the kernel says of it.
//! - [`question`]: one query over UDP, and whether its name is there.
//! - [`script`]: what happens to the cluster, rendered before it is told.
//! - [`feed`]: a master that does nothing but tell such scripts, at their times.
//! - [`prompter`]: tells it what to do.
//! - [`watcher`]: asks for one name without pause, and notes when it came and went.
//! - [`load`]: many queries at a steady rate, and how long each took.
//! - [`junk`]: what nobody meant well with.
//! - [`figures`]: percentiles of durations; [`table`]: what is printed.
//! - [`document`]: a state document, and a process that serves it as a master would.
//! - [`rivals`]: other DNS servers, for the same zone; [`family`]: a program that is several processes.
//! - [`forwarders`]: other forwarders, for the same upstream.
//! - [`echo`]: sends datagrams back: what the kernel costs.

pub mod document;
pub mod echo;
pub mod family;
pub mod feed;
pub mod figures;
pub mod forwarders;
pub mod junk;
pub mod load;
pub mod process;
pub mod prompter;
pub mod question;
pub mod rivals;
pub mod script;
pub mod table;
pub mod watcher;
