/** The candidate that a typing mistake most likely meant; null if no candidate is similar. */
function nearestName(name: string, candidates: Iterable<string>): string | null {
  let nearest: string | null = null
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  if (name.length > maxCompared) return null
  let compared = 0
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= least) continue
    if (++compared > maxCandidates) break
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}

/** Longer names and later candidates are not compared, because comparing takes time. */
const [maxCompared, maxCandidates] = [128, 1000]

/** `did you mean X?` as the end of a sentence; empty if no candidate is similar. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const nearest = nearestName(name, candidates)
  return nearest === null ? '' : `did you mean ${nearest}?`
}

/** The number of insertions, deletions, substitutions and swaps of neighbours (Damerau–Levenshtein, restricted). */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? 0
}
