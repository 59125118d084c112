"""What the commands of `wsb` do; `bot.cli` has their words and options and imports these when one is called."""
