"""Generic widgets that know no target: live table, sparkline, confirm, forms."""
