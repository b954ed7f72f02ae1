/**
 * The labels, made distinct: the second `crane` becomes `crane (2)`. Some lists have the same label for two classes (ImageNet has a bird and a
 * machine `crane`). An object of scores by label would then lose one of the two scores.
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
