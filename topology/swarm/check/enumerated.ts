/** Lists the first names and the number of the others, so that an error about ten thousand bees stays short. */
export function enumerated(names: Iterable<string>, count: number): string {
  const shown: string[] = []
  for (const name of names) {
    if (shown.length === maxShown) break
    shown.push(name)
  }
  const more = count - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}

const maxShown = 20
