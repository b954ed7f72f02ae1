/**
 * The tag of a version: the entity tag, or else the time of the last change. The time becomes a weak tag, because it has only whole seconds. Null if
 * the version has neither.
 */
export function versionTag(etag: string | undefined, lastModified: Date | string | undefined): string | null {
  if (etag !== undefined && etag !== '') return etag
  if (lastModified === undefined) return null
  const time = new Date(lastModified).getTime()
  return Number.isNaN(time) ? null : `W/"${time}"`
}

/** True for a strong tag. A strong tag identifies the exact bytes, so a download with such a tag can be continued. */
export function isStrong(tag: string | null): tag is string {
  return tag !== null && !tag.startsWith('W/')
}
