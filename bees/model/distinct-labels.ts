/**
 * Labels that are all different: a label that comes again has its number behind it, such as `crane (2)`. Some lists name two classes alike (ImageNet has a
 * bird and a machine `crane`), and scores by label would lose one.
 */
export function distinctLabels(labels: readonly string[]): readonly string[] {
  const taken = new Set(labels)
  const counts = new Map<string, number>()
  return labels.map((label) => {
    let count = (counts.get(label) ?? 0) + 1
    let name = label
    if (count > 1) {
      while (taken.has(`${label} (${count})`)) count++
      name = `${label} (${count})`
      taken.add(name)
    }
    counts.set(label, count)
    return name
  })
}
