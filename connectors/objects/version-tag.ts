/**
 * The tag of a version: the entity tag, else the time of the last change, written as a weak tag, since a time has whole seconds; null without both.
 */
export function versionTag(etag: string | undefined, lastModified: Date | string | undefined): string | null {
  if (etag !== undefined && etag !== '') return etag
  if (lastModified === undefined) return null
  const time = new Date(lastModified).getTime()
  return Number.isNaN(time) ? null : `W/"${time}"`
}

/** A strong tag stands for the very bytes, so a part with it can be gone on with. */
export function isStrong(tag: string | null): tag is string {
  return tag !== null && !tag.startsWith('W/')
}
