"""The commands around policies: look at one, propose, backtest and apply one."""
