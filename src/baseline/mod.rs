//! spec + Facts → the policies of a namespace: one file per allowance.
