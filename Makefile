# Each target is one command that people and continuous integration run alike.
#
#   make demo      the program in front of a simulated cluster (ARGS="--tasks 500 --dns-port 5300")
#   make test      everything that must pass
#   make test-all  that, and what takes longer or needs the network
#   make bench     figures: start to first answer, peak memory (DOCUMENT=state.json to take another document), those of
#                  the running program (LIVE="--sizes 1000000 --parts memory" to choose), answers beside those of other
#                  servers (SIDE="--sizes 10000 --parts flood" to choose), forwarding beside that of others
#                  (FORWARD="--parts hits,misses" to choose), how much is checked of the promise that no answer is wrong,
#                  and how soon a new leader is named
#   make fuzz      each fuzz target for a time (TIME=60, in seconds)
#   make fuzz-loop mutated queries at full speed, with no fuzzer (TIME=60, SEED=)
#   make mutants   shows that the checker finds deliberate faults; half an hour
#   make check     format, lints, documentation, licences, unit files: no tests
#   make static    the program as one static file
#   make packages  the .deb, an archive, the list of parts, checksums: in target/packages
#   make test-packages  what is in them, run: a Debian is booted, a container started
#   make reproducible   shows that two builds in two places are the same bytes: some ten minutes

ARGS ?=
CARGO ?= cargo

DOCUMENT ?=
LIVE ?=
SIDE ?=
FORWARD ?=

TIME ?= 60
SEED ?= $(shell date +%s)

.PHONY: static packages check-packages test-packages reproducible bench demo fuzz fuzz-loop test test-all check fmt clippy doc licences advisories doctest nextest mutants install install-bench install-build install-demo install-fuzz install-packages

bench: install-bench
	$(CARGO) build --release --locked --package mesos-dns --package mesos-dns-sim --bins
	$${CARGO_TARGET_DIR:-target}/release/start-bench $${CARGO_TARGET_DIR:-target}/release/mesos-dns $(DOCUMENT)
	$${CARGO_TARGET_DIR:-target}/release/live-bench $${CARGO_TARGET_DIR:-target}/release/mesos-dns $(LIVE)
	$${CARGO_TARGET_DIR:-target}/release/dns-bench $${CARGO_TARGET_DIR:-target}/release/mesos-dns $(SIDE)
	$${CARGO_TARGET_DIR:-target}/release/forward-bench $${CARGO_TARGET_DIR:-target}/release/mesos-dns $(FORWARD)
	$(CARGO) test --release --locked --quiet --package mesos-dns-sim --test truth -- --nocapture whatever
	TRUTH_SEEDS=$${TRUTH_SEEDS:-16} TRUTH_ZOOKEEPER_SEEDS=$${TRUTH_ZOOKEEPER_SEEDS:-15} \
	  $(CARGO) test --release --locked --quiet --package mesos-dns --test truth -- --nocapture --test-threads 1

demo: install-demo
	$(CARGO) build --locked --workspace --bins
	$${CARGO_TARGET_DIR:-target}/debug/mesos-dns demo $(ARGS)

# A failing check does not hide what the tests say; the last lines on the screen are always their sums.
test: install
	@failed=; for step in check doctest nextest; do \
	  $(MAKE) --no-print-directory --keep-going $$step || failed="$$failed $$step"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

# The second run is of an optimized build: other timing, other code. Without LTO, as forty programs are linked.
test-all: test
	scripts/install.sh test-all
	@$(MAKE) --no-print-directory advisories
	CARGO_PROFILE_RELEASE_LTO=off TRUTH_SEEDS=$${TRUTH_SEEDS:-20} DIFFERENTIAL=$${DIFFERENTIAL:-100000} \
	  scripts/test.sh --release
	$(MAKE) --no-print-directory fuzz TIME=$${FUZZ_SECONDS:-30}
	$(MAKE) --no-print-directory test-packages

check: fmt clippy doc licences check-packages

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings

doc:
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

licences:
	scripts/licences.sh

static: install-build
	packaging/static.sh

packages: install-packages
	packaging/build.sh

check-packages:
	packaging/check.sh

test-packages: packages
	packaging/test.sh

reproducible: install-build
	packaging/reproducible.sh

advisories:
	scripts/licences.sh advisories

doctest:
	$(CARGO) test --workspace --doc --locked --quiet

nextest:
	scripts/test.sh

fuzz: install-fuzz
	scripts/fuzz.sh $(TIME)

# Every overflow is a panic here.
fuzz-loop: install-build
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
	  CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
	  $(CARGO) run --release --locked --package mesos-dns-core --example mutate_queries -- $(TIME) $(SEED)

mutants: install-build
	scripts/mutants.sh

install:
	scripts/install.sh test

install-bench:
	scripts/install.sh bench

install-build:
	scripts/install.sh build

install-demo:
	scripts/install.sh demo

install-fuzz:
	scripts/install.sh fuzz

install-packages:
	scripts/install.sh packages
