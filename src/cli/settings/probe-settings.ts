/** What the settings of this group must be. */
export const probeShape = {};
