/**
 * A timestamp as a date in UTC. A number that is not a valid date is returned as text, because the writers of a topic choose the timestamps of
 * records.
 */
export function timeText(timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}
