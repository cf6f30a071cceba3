//! Host names in a static program.
//!
//! The C library finds hosts through plug-ins that `/etc/nsswitch.conf` names. Two are part of it: `files`, the hosts
//! file, and `dns`, the servers of `/etc/resolv.conf`. All others are loaded at run time, together with the machine's
//! C library, into a program that carries another one: where the two differ, that can end in a crash. So a static program
//! asks the two only, whatever the file says.

/// Lets host names be looked up in the hosts file and by DNS alone, in a program that is linked statically; does
/// nothing in any other. Call it before the first look-up.
pub fn look_up_without_plug_ins() {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    {
        unsafe extern "C" {
            fn __nss_configure_lookup(
                database: *const libc::c_char,
                services: *const libc::c_char,
            ) -> libc::c_int;
        }
        // SAFETY: two texts that end with a zero and live for ever. The library copies what it needs of them.
        let refused = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
        // It fails for lack of memory only; then the file decides.
        debug_assert_eq!(refused, 0);
    }
}
