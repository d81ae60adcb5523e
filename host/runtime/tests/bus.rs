//! The event bus (spec 5.1): who is told of an event, in which order, and what becomes of it when that fails.

mod bus {
    mod crash;
    mod follow;
    mod order;
    mod retries;
    mod scene;
    mod subscriptions;
    mod webhooks;
}
