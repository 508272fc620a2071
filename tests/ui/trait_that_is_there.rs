//! That the list of traits that are not there could fail: `SigningKey` is `Clone`.
trait Ambiguous<A> {
    fn item() {}
}
struct Implemented;
impl<T: ?Sized> Ambiguous<()> for T {}
impl<T: Clone> Ambiguous<Implemented> for T {}

fn probe() {
    let _ = <kessai::SigningKey as Ambiguous<_>>::item; //~ E0283
}

fn main() {}
