/** Names for a sentence: the first ones, and how many more there are, so that ten thousand bees don't each name all others. */
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
