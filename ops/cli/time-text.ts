/** A timestamp as a date in UTC; the number itself if it is no date. Every writer of a topic chooses the timestamps of its records. */
export function timeText(timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}
