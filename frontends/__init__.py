"""What people and programs use middlewatch through. Front ends translate; everything else is in `middlewatch.app`."""
