/** Kills all processes of a group. `pid` is the id of the process that leads the group; undefined if that process did not start. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All processes of the group have already ended.
  }
}
