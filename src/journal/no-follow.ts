import { constants } from 'node:fs';

/** Flags under which a file below the state folder is opened: a symbolic link in its place is an error (ELOOP), never followed. */
const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW = 0 } = constants;

export const TO_READ = O_RDONLY | O_NOFOLLOW;
export const TO_CHANGE = O_RDWR | O_NOFOLLOW;
/** Makes the file, or empties the one that is there. */
export const TO_WRITE_ANEW = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
