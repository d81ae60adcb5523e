//! People who are asked (spec 11.4, 11.5): who, by which way, how long, and what counts as an answer.

mod people {
    mod asking;
    mod cancelling;
    mod crash;
    mod deciding;
    mod escalating;
    mod functions;
    mod many;
    mod quiet;
    mod scene;
}
