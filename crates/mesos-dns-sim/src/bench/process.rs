//! A program that runs, and what the kernel says of it (`proc(5)`).

use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::question::Question;

/// Longest wait for a first answer; a million tasks take a while.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Where a program stands in the queue for the processor that it shares with what is measured. In earnest it would be
/// on a machine of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Like any other program.
    Middle,
    /// Behind the others, as far as there is such a place.
    Back,
}

impl Queue {
    /// The command that puts another one there.
    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Middle => &[],
            Self::Back => &["nice", "-n", "19"],
        }
    }

    fn works(self) -> bool {
        let [program, arguments @ ..] = self.command() else { return false };
        Command::new(program).args(arguments).arg("true").status().is_ok_and(|status| status.success())
    }
}

/// A program that runs; dropped, it is killed.
#[derive(Debug)]
pub struct Process(Child);

/// What the kernel counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// In MiB, now.
    pub resident: f64,
    /// In MiB, the most there ever was.
    pub peak: f64,
}

impl Process {
    /// Starts a program that is talked to by lines, over its standard input and output.
    pub fn talk<S: AsRef<OsStr>>(program: &Path, arguments: &[S], queue: Queue) -> io::Result<(Self, Lines)> {
        let mut command = match queue.command() {
            [starter, options @ ..] if queue.works() => {
                let mut command = Command::new(starter);
                command.args(options).arg(program);
                command
            }
            _ => Command::new(program),
        };
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let process = Self(child);
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok((process, Lines { stdin, stdout: BufReader::new(stdout) }))
    }

    /// Starts a program that is left to itself.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).spawn().map(Self)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Processor time of all its threads so far, user and system.
    ///
    /// # Errors
    ///
    /// It does not run any more.
    pub fn processor(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks =
            after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        // The unit has been a hundredth of a second wherever Linux runs.
        Ok(Duration::from_millis(ticks.sum::<u64>() * 10))
    }

    /// Its memory.
    ///
    /// # Errors
    ///
    /// It does not run any more.
    pub fn memory(&self) -> io::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
        };
        let (Some(resident), Some(peak)) = (mebibytes("VmRSS:"), mebibytes("VmHWM:")) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(Memory { resident, peak })
    }

    /// Waits until it uses less than this share of one processor over a fifth of a second, and returns for how long it
    /// did not.
    ///
    /// # Errors
    ///
    /// It does not run any more, or is busy for [`PATIENCE`].
    pub fn settle(&self, share: f64) -> io::Result<Duration> {
        const STEP: Duration = Duration::from_millis(200);
        let began = Instant::now();
        let mut before = self.processor()?;
        while began.elapsed() < PATIENCE {
            thread::sleep(STEP);
            let now = self.processor()?;
            if (now - before).as_secs_f64() < share * STEP.as_secs_f64() {
                return Ok(began.elapsed() - STEP);
            }
            before = now;
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Its memory once that has not shrunk for some seconds: allocators give back late.
    ///
    /// # Errors
    ///
    /// It does not run any more.
    pub fn settled_memory(&self) -> io::Result<Memory> {
        const STEADY_SECONDS: u32 = 6;
        const SECONDS_MAX: u32 = 60;
        let (mut memory, mut steady) = (self.memory()?, 0);
        for _ in 0..SECONDS_MAX {
            thread::sleep(Duration::from_secs(1));
            let now = self.memory()?;
            let shrinks = now.resident < memory.resident * 0.995;
            (memory, steady) = (now, if shrinks { 0 } else { steady + 1 });
            if steady == STEADY_SECONDS {
                break;
            }
        }
        Ok(memory)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The ends of a program that is talked to.
#[derive(Debug)]
pub struct Lines {
    stdin: ChildStdin,
    /// What it says.
    pub stdout: BufReader<ChildStdout>,
}

impl Lines {
    /// Says a line.
    ///
    /// # Errors
    ///
    /// It does not listen any more.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.stdin, "{line}")?;
        self.stdin.flush()
    }

    /// Waits for a line that begins with this word; returns the rest of it.
    ///
    /// # Errors
    ///
    /// It says something else, or nothing more.
    pub fn hear(&mut self, word: &str) -> io::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        match line.trim_end().split_once(' ').unwrap_or((line.trim_end(), "")) {
            (first, rest) if first == word => Ok(rest.to_owned()),
            _ => Err(io::Error::other(format!("expected {word:?}, heard {line:?}"))),
        }
    }

    /// Says a line and waits for the answer that begins with the same word.
    ///
    /// # Errors
    ///
    /// Those of [`say`](Self::say) and [`hear`](Self::hear).
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.say(line)?;
        self.hear(line.split(' ').next().unwrap_or(line))
    }
}

/// A port that was free a moment ago, for datagrams and connections.
///
/// # Errors
///
/// No socket is to be had.
pub fn free_port() -> io::Result<u16> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

/// Starts a DNS server and waits until it answers for this name; returns how long that took.
///
/// # Errors
///
/// It cannot be started, or does not answer within [`PATIENCE`].
pub fn start_answering(command: &mut Command, port: u16, name: &str) -> io::Result<(Process, Duration)> {
    let mut question = Question::new(port, name, Duration::from_millis(2))?;
    let began = Instant::now();
    let mut process = Process::start(command)?;
    while question.ask().ok() != Some(true) {
        if let Some(status) = process.0.try_wait()? {
            return Err(io::Error::other(format!("it ended: {status}")));
        }
        if began.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok((process, began.elapsed()))
}
