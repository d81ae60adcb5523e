use super::Work;
use crate::{BuildError, Progress};
pub(super) fn compile(_work: &Work<'_>, _progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    unimplemented!()
}
