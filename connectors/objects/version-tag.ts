/**
 * The tag of a version: the entity tag, or else the time of the last change. This time is written as a weak tag, because it has only whole seconds.
 * Null if there is neither.
 */
export function versionTag(etag: string | undefined, lastModified: Date | string | undefined): string | null {
  if (etag !== undefined && etag !== '') return etag
  if (lastModified === undefined) return null
  const time = new Date(lastModified).getTime()
  return Number.isNaN(time) ? null : `W/"${time}"`
}

/** A strong tag stands for exactly these bytes, so a part with such a tag can be continued. */
export function isStrong(tag: string | null): tag is string {
  return tag !== null && !tag.startsWith('W/')
}
