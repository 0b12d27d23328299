package account

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// question asks a helper for a key. On the wire it is questionHead, the salt and the
// password; the answer is the key alone.
type question struct {
	cost
	salt, password []byte
}

type questionHead struct {
	Memory, Time uint32
	Lanes        uint8
	Password     uint16 // its length in bytes
}

// maxQuestion bounds a password on the wire, in bytes: the form in which it is hashed
// may be three times as long as what was typed (Unicode UAX 15, section 9).
const maxQuestion = 3 * maxPasswordBytes

var errTooLong = errors.New("the question is longer than any can be")

// write sends it in one piece.
func (q question) write(w io.Writer) error {
	if len(q.password) > maxQuestion || len(q.salt) != saltLength {
		return errTooLong
	}
	var b bytes.Buffer
	head := questionHead{q.memory, q.time, q.lanes, uint16(len(q.password))}
	if err := binary.Write(&b, binary.BigEndian, head); err != nil {
		return err
	}
	b.Write(q.salt)
	b.Write(q.password)
	_, err := w.Write(b.Bytes())
	return err
}

// readQuestion reads what write has sent, and no more. The error is io.EOF at the end
// of all questions only.
func readQuestion(r io.Reader) (question, error) {
	var head questionHead
	if err := binary.Read(r, binary.BigEndian, &head); err != nil {
		return question{}, err
	}
	c := cost{head.Memory, head.Time, head.Lanes}
	if !c.bearable() || head.Password > maxQuestion {
		return question{}, errTooLong
	}
	text := make([]byte, saltLength+int(head.Password))
	if _, err := io.ReadFull(r, text); err != nil {
		return question{}, fmt.Errorf("read a question: %w", io.ErrUnexpectedEOF)
	}
	return question{c, text[:saltLength], text[saltLength:]}, nil
}

// ServeHashes is what a helper of [Hasher.HandOver] does: it answers the questions
// on in until they end. It takes the lowest priority for itself, which nobody but
// root could take back, so it is for processes that do nothing else.
func ServeHashes(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	if err := stepBack(); err != nil {
		return fmt.Errorf("take a low priority: %w", err)
	}
	for {
		q, err := readQuestion(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := out.Write(argon2id(q.password, q.salt, q.cost)); err != nil {
			return err
		}
		clear(q.password)
		runtime.GC() // or the next 19 MiB come on top of these
	}
}
