//! Runs that go on whatever dies (spec 6.4): accepted, replayed, retried, parked, and stopped after every commit.

mod durable {
    mod basics;
    mod crash;
    mod elsewhere;
    mod scene;
    mod upgrade;
    mod waits;
}
