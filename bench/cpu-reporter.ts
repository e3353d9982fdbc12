/** Preloaded into measured children: answers `cpu` with the process's CPU time in milliseconds, and leaves with its parent. */
process.on('message', (message) => {
  if (message !== 'cpu') return;
  const { user, system } = process.cpuUsage();
  process.send?.((user + system) / 1_000);
});
process.on('disconnect', () => process.exit(0));
process.channel?.unref();
