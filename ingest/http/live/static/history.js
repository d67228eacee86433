/* The last hour, second by second, as far as it is known here; kept up from pieces. */

export const HOUR = 3600;
export const KINDS = ["accepted", "dropped", "refused"];

export class History {
  constructor() {
    this.first = 0;
    this.values = { accepted: [], dropped: [], refused: [] };
  }

  /** The second from which the next piece is wanted: the last known one, which was not over. */
  get since() {
    return this.length ? this.first + this.length - 1 : null;
  }

  get length() {
    return this.values.accepted.length;
  }

  /** Put a piece where it belongs; what does not join on replaces everything. */
  take(piece) {
    const at = piece.first - this.first;
    const joins = this.length > 0 && at >= 0 && at <= this.length;
    if (!joins) this.first = piece.first;
    for (const kind of KINDS) {
      const kept = joins ? this.values[kind].slice(0, at) : [];
      this.values[kind] = kept.concat(piece[kind]);
    }
    const over = this.length - HOUR;
    if (over > 0) {
      this.first += over;
      for (const kind of KINDS) this.values[kind].splice(0, over);
    }
  }

  /**
   * Mean rates of equal pieces of the time that is over.
   *
   * @param {number} span Seconds up to the last one that is over.
   * @param {number} width Seconds of a piece; pieces begin at whole multiples of it.
   * @returns {{from: number, seconds: number, accepted: number, dropped: number, refused: number}[]}
   */
  pieces(span, width) {
    const end = this.first + this.length - 1;
    const begin = Math.max(this.first, end - span);
    const found = [];
    let from = begin;
    while (from < end) {
      const to = Math.min(end, from - (from % width) + width);
      const piece = { from, seconds: to - from };
      for (const kind of KINDS) {
        let sum = 0;
        for (let at = from - this.first; at < to - this.first; at += 1) sum += this.values[kind][at];
        piece[kind] = sum / piece.seconds;
      }
      found.push(piece);
      from = to;
    }
    return found;
  }
}
