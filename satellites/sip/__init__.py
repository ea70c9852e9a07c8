"""The telephone: SIP in a process of its own, calls as conversations, and Asterisk's AudioSocket beside it."""
