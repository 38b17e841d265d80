"""The contract of decoders, and what all protocols share: from columns to what may enter."""
